!> Step size for a target acceptance rate: Nesterov's dual averaging (Hoffman and Gelman 2014, section 3.2).
module dual_averaging
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: step_size_search

   real(dp), parameter :: gamma = 0.05_dp      !< how freely early steps vary
   real(dp), parameter :: offset = 10.0_dp     !< steadies the first iterations
   real(dp), parameter :: forgetting = 0.75_dp !< exponent with which early steps lose weight

   type :: step_size_search
      real(dp) :: wanted = 0.8_dp
      real(dp) :: log_step = 0.0_dp            !< the step to take now
      real(dp) :: log_average = 0.0_dp         !< the step to keep
      real(dp), private :: centre = 0.0_dp, error = 0.0_dp
      integer, private :: count = 0
   contains
      procedure :: restart
      procedure :: learn
   end type step_size_search

contains

   pure subroutine restart(self, step)
      class(step_size_search), intent(inout) :: self
      real(dp), intent(in) :: step

      self%centre = log(10.0_dp*step)
      self%log_step = log(step)
      self%log_average = log(step)
      self%error = 0.0_dp
      self%count = 0
   end subroutine restart

   pure subroutine learn(self, acceptance)
      class(step_size_search), intent(inout) :: self
      real(dp), intent(in) :: acceptance
      real(dp) :: n, weight

      self%count = self%count + 1
      n = real(self%count, dp)
      self%error = self%error + (self%wanted - acceptance - self%error)/(n + offset)
      self%log_step = self%centre - sqrt(n)/gamma*self%error
      weight = n**(-forgetting)
      self%log_average = weight*self%log_step + (1.0_dp - weight)*self%log_average
   end subroutine learn

end module dual_averaging
