!> Probits of a prior: coordinates z in which it is standard normal, u = F^-1(Phi(z)) with F its distribution function.
!>
!> Each dimension of the unit cube is uniform, or normal and truncated at 0 and 1.
module prior_probits
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: new_prior, prior

   !> Largest probit: beyond, 1 - u is lost in rounding.
   real(dp), parameter, public :: largest_probit = 6.0_dp

   type :: prior
      real(dp), allocatable :: centre(:), precision(:)          !< in the unit cube; precision 0 stands for uniform
      real(dp), allocatable, private :: below(:), within(:)     !< shares of the whole normal below 0 and in (0, 1)
   contains
      procedure :: place
      procedure :: slope
      procedure :: probit
   end type prior

contains

   pure function new_prior(centre, precision) result(new)
      real(dp), intent(in) :: centre(:), precision(:)
      type(prior) :: new

      new%centre = centre
      new%precision = precision
      new%below = normal_share(-centre*sqrt(precision))
      new%within = normal_share((1.0_dp - centre)*sqrt(precision)) - new%below
   end function new_prior

   !> Place in the unit cube.
   pure function place(self, z) result(u)
      class(prior), intent(in) :: self
      real(dp), intent(in) :: z(:)
      real(dp) :: u(size(z))

      u = normal_share(z)
      where (self%precision > 0.0_dp)
         u = self%centre + normal_quantile(self%below + self%within*u)/sqrt(self%precision)
      end where
      u = max(epsilon(u), min(1.0_dp - epsilon(u), u))
   end function place

   !> du/dz at a place.
   pure function slope(self, z, u) result(by_probit)
      class(prior), intent(in) :: self
      real(dp), intent(in) :: z(:), u(:)
      real(dp) :: by_probit(size(z))

      where (self%precision > 0.0_dp)
         by_probit = exp(0.5_dp*(self%precision*(u - self%centre)**2 - z**2))*self%within/sqrt(self%precision)
      else where
         by_probit = exp(-0.5_dp*z**2)/sqrt(2.0_dp*acos(-1.0_dp))
      end where
   end function slope

   !> The probit of a place.
   pure function probit(self, u) result(z)
      class(prior), intent(in) :: self
      real(dp), intent(in) :: u(:)
      real(dp) :: z(size(u))

      z = u
      where (self%precision > 0.0_dp)
         z = (normal_share((u - self%centre)*sqrt(self%precision)) - self%below)/self%within
      end where
      z = max(-largest_probit, min(largest_probit, normal_quantile(z)))
   end function probit

   elemental function normal_share(z) result(share)
      real(dp), intent(in) :: z
      real(dp) :: share

      share = 0.5_dp*erfc(-z*sqrt(0.5_dp))
   end function normal_share

   !> Abramowitz and Stegun 26.2.23, made exact by three steps of Halley's method.
   elemental function normal_quantile(share) result(z)
      real(dp), intent(in) :: share
      real(dp) :: z
      real(dp), parameter :: root_two_pi = sqrt(2.0_dp*acos(-1.0_dp))
      real(dp) :: tail, t, error
      integer :: i

      tail = max(tiny(tail), min(share, 1.0_dp - share))
      t = sqrt(-2.0_dp*log(tail))
      z = (2.515517_dp + t*(0.802853_dp + t*0.010328_dp)) &
         /(1.0_dp + t*(1.432788_dp + t*(0.189269_dp + t*0.001308_dp))) - t
      do i = 1, 3
         error = (normal_share(z) - tail)*root_two_pi*exp(0.5_dp*z**2)
         z = z - error/(1.0_dp + 0.5_dp*z*error)
      end do
      if (share > 0.5_dp) z = -z
   end function normal_quantile

end module prior_probits
