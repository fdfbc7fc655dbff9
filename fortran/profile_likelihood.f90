!> Likelihood of one profile given the soil carbon of its column: cost and gradient by layer.
!>
!> The equations are those of ctsm_socnn.assimilation.likelihood, which prepares the arrays.
module profile_likelihood
   use kinds, only: dp
   use soil_grid, only: n_layers
   use pchip, only: bracketing_node, interpolate, interpolate_adjoint
   use published_cost, only: weighted_cost, weighted_cost_gradient
   implicit none (type, external)
   private

   public :: profile, published_profile, log_profile, new_published_profile

   !> Carbon below this (gC m-3) is taken as this, so that its logarithm exists.
   real(dp), parameter :: tiny_soc = 1.0e-30_dp

   type, abstract :: profile
   contains
      procedure(cost_of_carbon), deferred :: cost
   end type profile

   abstract interface
      !> Cost of a profile of modelled carbon (gC m-3), and its derivative by layer.
      pure subroutine cost_of_carbon(self, soc, cost, soc_bar)
         import :: profile, dp, n_layers
         implicit none (type, external)
         class(profile), intent(in) :: self
         real(dp), intent(in) :: soc(n_layers)
         real(dp), intent(out) :: cost
         real(dp), intent(out), optional :: soc_bar(n_layers)
      end subroutine cost_of_carbon
   end interface

   !> Weighted squares of relative errors after pchip interpolation.
   type, extends(profile) :: published_profile
      real(dp), allocatable :: depth(:)      !< m
      real(dp), allocatable :: observed(:)   !< gC m-3
      real(dp), allocatable :: weights(:)
      integer, allocatable :: node(:)        !< node above each depth
   contains
      procedure :: cost => published_profile_cost
   end type published_profile

   !> Correlated errors of ln(SOC), normal or Student-t.
   type, extends(profile) :: log_profile
      real(dp), allocatable :: layers(:, :)      !< (layer, observation): weights of the layers
      real(dp), allocatable :: observed(:)       !< gC m-3
      real(dp), allocatable :: whitening(:, :)   !< inverse of the factor of the errors' covariance
      real(dp) :: degrees_of_freedom = 0.0_dp    !< of Student's t; zero or less stands for the normal
   contains
      procedure :: cost => log_profile_cost
   end type log_profile

contains

   pure function new_published_profile(depth, observed, weights) result(new)
      real(dp), intent(in) :: depth(:), observed(:), weights(:)
      type(published_profile) :: new

      new%depth = depth
      new%observed = observed
      new%weights = weights
      new%node = bracketing_node(depth)
   end function new_published_profile

   pure subroutine published_profile_cost(self, soc, cost, soc_bar)
      class(published_profile), intent(in) :: self
      real(dp), intent(in) :: soc(n_layers)
      real(dp), intent(out) :: cost
      real(dp), intent(out), optional :: soc_bar(n_layers)
      real(dp) :: modelled(size(self%observed))

      call interpolate(soc, self%node, self%depth, modelled)
      cost = weighted_cost(modelled, self%observed, self%weights)
      if (present(soc_bar)) then
         call interpolate_adjoint(soc, self%node, self%depth, &
            weighted_cost_gradient(modelled, self%observed, self%weights), soc_bar)
      end if
   end subroutine published_profile_cost

   pure subroutine log_profile_cost(self, soc, cost, soc_bar)
      class(log_profile), intent(in) :: self
      real(dp), intent(in) :: soc(n_layers)
      real(dp), intent(out) :: cost
      real(dp), intent(out), optional :: soc_bar(n_layers)
      real(dp) :: modelled(size(self%observed)), whitened(size(self%observed)), slopes(size(self%observed))

      modelled = max(matmul(soc, self%layers), tiny_soc)
      whitened = matmul(self%whitening, log(self%observed/modelled))
      if (self%degrees_of_freedom > 0.0_dp) then
         call student_t(whitened, self%degrees_of_freedom, cost, slopes)
      else
         cost = 0.5_dp*sum(whitened**2)
         slopes = whitened
      end if
      if (present(soc_bar)) soc_bar = -matmul(self%layers, matmul(slopes, self%whitening)/modelled)
   end subroutine log_profile_cost

   pure subroutine student_t(residuals, freedom, cost, slopes)
      real(dp), intent(in) :: residuals(:), freedom
      real(dp), intent(out) :: cost
      real(dp), intent(out) :: slopes(size(residuals))

      cost = 0.5_dp*(freedom + 1.0_dp)*sum(log(1.0_dp + residuals**2/freedom))
      slopes = (freedom + 1.0_dp)*residuals/(freedom + residuals**2)
   end subroutine student_t

end module profile_likelihood
